"""What a show is judged by afterwards: read from what every part has kept."""
