"""A room that tells what it is given; stands for live in the tests of what the doctor hears."""
