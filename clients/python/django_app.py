"""A service with a guarded view: `python django_app.py PORT`, with `TOKENRY_URL` and `TOKENRY_TOKEN`."""

import os
import sys

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(32).hex(),
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
    TOKENRY_URL=os.environ["TOKENRY_URL"],
    TOKENRY_TOKEN=os.environ["TOKENRY_TOKEN"],
)

from django.core.management import execute_from_command_line  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.renderers import JSONRenderer  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from django_guard import TokenryAuthentication  # noqa: E402


class Reports(APIView):
    authentication_classes = [TokenryAuthentication]
    renderer_classes = [JSONRenderer]
    required_scopes = {"GET": ["demo:read"]}

    def get(self, request):
        return Response({"subject": request.user.subject})


urlpatterns = [path("reports", Reports.as_view())]

if __name__ == "__main__":
    execute_from_command_line([sys.argv[0], "runserver", "--noreload", f"127.0.0.1:{sys.argv[1]}"])
