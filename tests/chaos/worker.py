"""A worker process of a chaos run: everything real but the model, which is cheap and always says the same."""

from cheap_model import CheapModel

from pipeline.settings import load
from workers.cli.logs import log_to_stderr
from workers.models.choice import ModelChoice
from workers.service.stack import ScoringOptions
from workers.service.worker import run_worker

if __name__ == "__main__":
    log_to_stderr()
    run_worker(load(), ScoringOptions(model=ModelChoice(device="cpu")), group="workers", model=CheapModel())
