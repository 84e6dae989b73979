"""HTTP routes by resource; no rules live here."""
