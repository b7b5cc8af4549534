"""The API's usage."""

from django.urls import path

from usage import api

urlpatterns = [
    path("usage/summary", api.SummaryView.as_view(), name="usage-summary"),
    path("usage/records", api.RecordListView.as_view(), name="usage-records"),
    path("usage/statement", api.StatementView.as_view(), name="usage-statement"),
    path("settings/usage", api.SettingsView.as_view(), name="usage-settings"),
    path("budgets", api.BudgetListView.as_view(), name="budget-list"),
    path("budgets/<int:pk>", api.BudgetView.as_view(), name="budget-detail"),
    path("prices", api.PriceListView.as_view(), name="price-list"),
    path("prices/<int:pk>", api.PriceView.as_view(), name="price-detail"),
]
