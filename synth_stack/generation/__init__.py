"""What is drawn from seeds, and the durable driver of distilabel pipelines; nothing here knows a method."""
