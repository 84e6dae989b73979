"""The outermost package: composes the three contexts and talks to browsers, Redis and Postgres."""
