"""``envdoctor smoke``: what is asked, the run, the verdict by invariants, the certificate, and the diagnosis of a failure."""
