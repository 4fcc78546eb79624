"""Another box, or anything that speaks the OpenAI interface, as the cloud of this one."""

import asyncio
import base64
import binascii

import httpx

from genedge.live.jobs import Failure, Head, Images, Kind, Passed, Picture, Ticket
from genedge.live.plain_http import passed_on

LONGEST_RETRY_S, CONNECTS_WITHIN_S = 120.0, 5.0
# Answers of a box that does not serve, which are none if the request can be served where it came from.
NOT_THERE = (401, 403, 404, 429, 500, 502, 503, 504)
# In a request that another box has passed on, which is then served where it comes, or not at all.
PASSED_ON = "X-Genedge-Passed-On"


class HttpCloud:
    """Passes requests on, as they would have been asked of it."""

    def __init__(self, url: str, key: str | None, timeout_s: float) -> None:
        """Nothing asked yet.

        Args:
            url: where it is, up to and without `/v1`.
            key: that it asks for; None if none.
            timeout_s: after which it has not answered [s].
        """
        headers = {PASSED_ON: "1", **({"Authorization": f"Bearer {key}"} if key else {})}
        timeout = httpx.Timeout(timeout_s, connect=CONNECTS_WITHIN_S)
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, trust_env=False)

    async def __call__(self, ticket: Ticket) -> None:
        """Serves a ticket.

        Args:
            ticket: of a request that this box does not serve.

        Raises:
            Failure: it is down, slow or full; or it refuses the request.
        """
        try:
            if isinstance(ticket.job, Passed):
                await self._pass(ticket, ticket.job)
            else:
                await self._picture(ticket, ticket.job)
        except httpx.TimeoutException:
            raise Failure("failed", "the cloud does not answer in time", 30.0) from None
        except httpx.HTTPError as e:
            raise Failure("failed", f"the cloud cannot be reached: {e or type(e).__name__}", 30.0) from None

    async def close(self) -> None:
        """No more is asked of it."""
        await self._client.aclose()

    async def _picture(self, ticket: Ticket, picture: Picture) -> None:
        fields: dict[str, object] = {
            "model": ticket.request.model,
            "prompt": picture.prompt,
            "negative_prompt": picture.negative,
            "n": picture.images,
            "seed": picture.seed,
            "steps": max(round(ticket.request.steps / picture.images), 1),
            "guidance_scale": picture.guidance,
            "size": None if picture.size is None else f"{picture.size[1]}x{picture.size[0]}",
        }
        path = "/v1/images/generations"
        if picture.image is not None:
            path = "/v1/images/edits"
            fields["image"] = base64.b64encode(picture.image).decode()
            if picture.mask is not None:
                fields |= {"mask": base64.b64encode(picture.mask).decode(), "mask_repairs": "white"}
        body = {key: value for key, value in fields.items() if value is not None}
        answer = await self._client.post(path, json=body)
        if answer.status_code != 200:
            raise _refused(answer)
        try:
            images = [base64.b64decode(each["b64_json"]) for each in answer.json()["data"]]
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise Failure("failed", "the cloud answers with no images") from None
        ticket.put(Images(images))

    async def _pass(self, ticket: Ticket, job: Passed) -> None:
        asked = self._client.build_request(job.method, job.path, headers=passed_on(job.headers), content=job.body)
        answer = await self._client.send(asked, stream=True)
        try:
            if answer.status_code in (NOT_THERE if ticket.returns else (429, 503)):
                await answer.aread()
                raise _refused(answer)
            ticket.put(Head(answer.status_code, answer.headers))
            async for piece in answer.aiter_raw():
                ticket.put(piece)
                await ticket.room()
        finally:
            await asyncio.shield(answer.aclose())


def _refused(answer: httpx.Response) -> Failure:
    """Why the cloud did not: what is wrong with the request is wrong here, too."""
    try:
        message = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"status {answer.status_code}"
    if answer.status_code in (400, 404, 413, 422):
        return Failure("bad", f"the cloud refuses the request: {message}")
    wait = answer.headers.get("retry-after", "")
    retry_s = min(float(wait), LONGEST_RETRY_S) if wait.isdecimal() else 30.0
    kind: Kind = "busy" if answer.status_code == 429 else "failed"
    return Failure(kind, f"the cloud does not serve: {message}", retry_s)
