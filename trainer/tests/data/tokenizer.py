"""Writes tokenizer.json beside this file: a WordPiece tokenizer of BERT's kind with a few dozen pieces.

    pip install tokenizers==0.22.2 && python trainer/tests/data/tokenizer.py
"""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

PIECES = """[PAD] [UNK] [CLS] [SEP] [MASK] ! " ' , . ? * a b c d e f g h i j k l m n o p q r s t u v w x y z
##a ##b ##c ##d ##e ##f ##g ##h ##i ##j ##k ##l ##m ##n ##o ##p ##q ##r ##s ##t ##u ##v ##w ##x ##y ##z
the film is was not it good bad dull fine what cause effect of ##ing ##ed ##est ##ly"""

vocabulary = {piece: k for k, piece in enumerate(PIECES.split())}
tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
tokenizer.decoder = decoders.WordPiece()
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS]:0 $A:0 [SEP]:0",
    pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
    special_tokens=[(name, vocabulary[name]) for name in ["[CLS]", "[SEP]"]],
)
# As in the files of sentence encoders; it must be switched off when the file is read.
tokenizer.enable_padding(length=128)
tokenizer.enable_truncation(max_length=128)
path = Path(__file__).with_suffix(".json")
tokenizer.save(str(path), pretty=False)
print(path, path.stat().st_size, "bytes")
