"""A service with a guarded route: `uvicorn fastapi_app:app`, with `TOKENRY_URL` and `TOKENRY_TOKEN`."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI

from fastapi_guard import Caller, Tokenry

guard = Tokenry(os.environ["TOKENRY_URL"], os.environ["TOKENRY_TOKEN"])
app = FastAPI()


@app.get("/reports")
async def reports(caller: Annotated[Caller, Depends(guard.require("demo:read"))]):
    return {"subject": caller.user["subject"]}
