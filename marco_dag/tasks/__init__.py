"""What is asked, and the rule that checks an answer."""
