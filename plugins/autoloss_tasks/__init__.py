"""Shipped tasks: scikit-learn's tables, and the base class `tabular.TabularTask` for one's own."""
