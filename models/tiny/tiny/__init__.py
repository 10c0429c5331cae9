"""Training of tercet-tiny: scenes, questions, model, export."""
