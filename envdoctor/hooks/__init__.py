"""What other programs call by name: pre-commit a module, Ray a function. Standard library only, and the doctor as a program."""
