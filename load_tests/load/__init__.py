"""Load runs against a deployment: shapes, people, probe, crowd, report. `./run load` starts here."""
