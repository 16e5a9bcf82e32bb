"""Will measure the AI runs of a Bedrock client: `wrap_bedrock(client, source)`.

Until it does, `ldai_core.track_metrics_of` measures a Bedrock call, given a function that reads its responses.
"""

__all__: list[str] = []
