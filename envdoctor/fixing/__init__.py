"""``envdoctor fix``: which change mends an environment (planning), and making it so that it can be undone (applying)."""
