"""Sign-in pages: django-allauth's, but for those about e-mail addresses.

An account has one address, kept in accounts.User; allauth's own table of addresses
would let it drift from that.
"""

from allauth.account.urls import urlpatterns as pages

_LEFT_OUT = {
    "account_email",
    "account_confirm_email",
    "account_email_verification_sent",
}

urlpatterns = [page for page in pages if page.name not in _LEFT_OUT]
