"""Long messages: the parts that ports submit over links are joined, so that the whole is screened."""
