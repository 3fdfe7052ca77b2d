"""Windows: the only code that touches disk or network. No decisions are made here."""
