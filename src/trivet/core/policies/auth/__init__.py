"""Kinds of authentication; each is a policy at the innermost stage."""

from __future__ import annotations

from trivet.core.policies.auth.api_key import APIKeyAuth
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.auth.basic import BasicAuth
from trivet.core.policies.auth.bearer import BearerAuth, Token, TokenAuth
from trivet.core.policies.auth.oauth2 import OAuth2ClientCredentials

__all__ = ["APIKeyAuth", "Auth", "BasicAuth", "BearerAuth", "OAuth2ClientCredentials", "Token", "TokenAuth"]
