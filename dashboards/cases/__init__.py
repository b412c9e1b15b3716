"""Cases outside the deck: the queues they wait in, their list, and one of them."""
