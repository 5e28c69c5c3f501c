"""What a customer looks like to the model."""


def build(customers):
    features = customers[["months", "calls", "spend"]].copy()
    features["paid"] = (customers["plan"] != "basic").astype(int)
    return features
