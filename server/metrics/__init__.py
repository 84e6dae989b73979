"""What Prometheus is told: one table of names, and what reads each part's figures when it is asked."""
