"""What instruction pairs are made of: Evol-Instruct's rules and rounds, and Magpie's turns."""
