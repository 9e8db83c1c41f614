"""What the pages share: jobs, figures, the model picker, URL state."""
