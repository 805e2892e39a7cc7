"""The token service: `/token` and `/authorize` (sections 2.1 to 2.3)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.vendors.greenhouse.auth import Authority, TokenError
from sandbox.vendors.greenhouse.calls import answer
from sandbox.vendors.greenhouse.errors import Refusal, invalid
from sandbox.vendors.greenhouse.limits import WindowLimiter


class TokenService:
    """Grants, each behind the client's Basic authentication and a window of its own."""

    def __init__(self, authority: Authority) -> None:
        self.limiter = WindowLimiter("token")
        self._authority = authority

    def routes(self) -> list[Route]:
        """Both addresses."""
        return [
            Route("/token", self.token, methods=["POST"]),
            Route("/authorize", self.authorize),
        ]

    async def token(self, request: Request) -> Response:
        """A token, or 400 or 401 with `{"error": ...}`."""
        account = self._authority.account
        settings = account.settings
        headers = self.limiter.admit(
            settings.client_id,
            now=account.clock.seconds(),
            length_s=settings.token_window_s,
            limit=settings.token_window_limit,
            enforced=settings.limiter,
        )
        try:
            self._authority.check_client(request.headers.get("authorization", ""))
            content = (await request.body()).decode("utf-8", "replace")
            response = answer(self._grant({k: v[0] for k, v in parse_qs(content).items()}))
        except TokenError as error:
            response = answer({"error": error.code}, error.status)
        response.headers.update(headers)
        return response

    async def authorize(self, request: Request) -> Response:
        """
        Send the browser back with a code, as if the customer had consented.

        There is no page to click: the consenting user is the account's Site Admin.
        """
        query = request.query_params
        account = self._authority.account
        if query.get("client_id") != account.settings.client_id:
            raise Refusal(HTTPStatus.BAD_REQUEST, "unknown client_id")
        if query.get("response_type") != "code" or not query.get("redirect_uri"):
            raise invalid("response_type", "must be code, with a redirect_uri")
        redirect_uri = query["redirect_uri"]
        code = self._authority.authorize(account.admin_user_id, redirect_uri)
        joint = "&" if "?" in redirect_uri else "?"
        answered = urlencode({"code": code, "state": query.get("state", "")})
        return RedirectResponse(f"{redirect_uri}{joint}{answered}", HTTPStatus.FOUND)

    def _grant(self, form: dict[str, str]) -> dict[str, object]:
        match form.get("grant_type"):
            case "client_credentials":
                return self._authority.mint_for(form.get("sub"))
            case "authorization_code":
                return self._authority.exchange(form.get("code", ""), form.get("redirect_uri", ""))
            case "refresh_token":
                return self._authority.renew(form.get("refresh_token", ""))
            case _:
                raise TokenError("unsupported_grant_type")
