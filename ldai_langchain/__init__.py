"""Will measure the AI runs of any LangChain runnable: `LaunchDarklyCallbackHandler(source)`.

Until it does, `ldai_core.track_metrics_of` measures a call of a runnable, given a function that reads its results.
"""

__all__: list[str] = []
