"""Components and the dispatcher: who handles a fact, in what order, and what an error costs."""
