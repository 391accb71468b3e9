"""`/notices/channels`: where notices are sent, and which; for admins."""

from __future__ import annotations

from litestar import delete, get, patch, post

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId
from stocky.http.routing import Router
from stocky.notices import repository
from stocky.notices.schemas import NewNoticeChannel, NoticeChannel, NoticeChannelChange, NoticeTest
from stocky.notices.service import Notices


@get("/channels", opt=admins)
async def list_notice_channels(read: Connection, paging: Paging) -> list[NoticeChannel]:
    """List the channels of notices, in the order they were created."""
    return await repository.list_channels(read, skip=paging.skip, limit=paging.limit, listing=paging)


@post("/channels", opt=admins)
async def create_notice_channel(data: NewNoticeChannel, notices: Notices, user: Principal) -> NoticeChannel:
    """Create a channel: either `recipients` for e-mail, or the `url` of a service. It gets what lasts now, too."""
    return await notices.add(data, user)


@get("/channels/{channel_id:int}", opt=admins)
async def get_notice_channel(read: Connection, channel_id: PathId) -> NoticeChannel:
    """Get a channel with its state: when it sent last, and why it fails. Its URL is never shown."""
    return await repository.get_channel(read, channel_id)


@patch("/channels/{channel_id:int}", opt=admins)
async def change_notice_channel(
    data: NoticeChannelChange, notices: Notices, user: Principal, channel_id: PathId
) -> NoticeChannel:
    """Change a channel; omitted fields stay unchanged. Its failures are forgotten, and what waits is sent at once."""
    return await notices.change(channel_id, data, user)


@delete("/channels/{channel_id:int}", opt=admins)
async def delete_notice_channel(tx: Connection, user: Principal, channel_id: PathId) -> None:
    """Delete a channel."""
    await repository.remove_channel(tx, channel_id, user)


@post("/channels/{channel_id:int}/test", opt=admins, status_code=200)
async def test_notice_channel(notices: Notices, channel_id: PathId) -> NoticeTest:
    """Send a test notice now, also in quiet hours; waits for the outcome, and returns the exact failure."""
    return await notices.test(channel_id)


notice_routes = Router(
    "/notices",
    route_handlers=[
        list_notice_channels,
        create_notice_channel,
        get_notice_channel,
        change_notice_channel,
        delete_notice_channel,
        test_notice_channel,
    ],
    tags=["Notices"],
)
