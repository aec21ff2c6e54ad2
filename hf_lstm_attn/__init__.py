"""Small text classifiers that train from scratch and can be looked into: embedding -> LSTM -> attention -> head.

Importing the package makes `AutoConfig`, `AutoModel` and `AutoModelForSequenceClassification` know its models.
"""

import sys
from importlib.metadata import version
from pathlib import Path

__version__ = version("hf_lstm_attn")

# The command line imports what a command needs once it knows that the command can run.
if Path(sys.argv[0]).stem != "hf-lstm-attn":
    from .configuration_lstm_attn import LstmAttnConfig as LstmAttnConfig
    from .data import load_data as load_data
    from .distillation import distill_encoder as distill_encoder
    from .explanation import Explanation as Explanation
    from .explanation import explain as explain
    from .export import export as export
    from .faithfulness import audit as audit
    from .hub import push as push
    from .hub import verify as verify
    from .inference import built_in as built_in
    from .inference import load_classifier as load_classifier
    from .metrics import ClassificationMetric as ClassificationMetric
    from .modeling_lstm_attn import LstmAttnForSequenceClassification as LstmAttnForSequenceClassification
    from .modeling_lstm_attn import LstmAttnModel as LstmAttnModel
    from .named_data import load_imdb as load_imdb
    from .named_data import load_sample as load_sample
    from .named_data import load_tweets as load_tweets
    from .pipeline_lstm_attn import LstmAttnPipeline as LstmAttnPipeline
    from .pretraining import pretrain as pretrain
    from .recipes import RECIPES as RECIPES
    from .soft_labels import soft_labels as soft_labels
    from .tokenization import save_tokenizer as save_tokenizer
    from .tokenization import train_tokenizer as train_tokenizer
    from .trainer import LstmAttnTrainer as LstmAttnTrainer
    from .training_args import LstmAttnTrainingArguments as LstmAttnTrainingArguments
