"""Real Valkey and PostgreSQL servers started beside the program, for the demo and the tests."""
