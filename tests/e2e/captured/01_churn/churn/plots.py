"""Figures for the report; no training needs them."""

import matplotlib.pyplot as plt


def months(customers):
    plt.hist(customers["months"])
