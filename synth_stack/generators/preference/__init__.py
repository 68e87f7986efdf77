"""What preference rows are made of: several answers to one instruction, rated by a judge."""
