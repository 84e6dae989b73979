"""The sale: products and cards on stage, suitability, quota, orders, and applause points."""
