"""The adapters in the training loops that they are for. Each is skipped without its library."""

import pathlib
import sys
import unittest
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

from test_writer import Case, measured, records  # noqa: E402

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError:
    torch = None

try:
    import lightning
except ImportError:
    lightning = None

try:
    import transformers
except ImportError:
    transformers = None


class Adapters(Case):
    def setUp(self):
        super().setUp()
        warnings.simplefilter("ignore")

    @unittest.skipIf(torch is None or lightning is None, "Lightning cannot be imported")
    def test_lightning(self):
        import networks
        from skiplane.adapters.lightning import SkiplaneCallback

        class Module(lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.save_hyperparameters({"rate": 0.1})
                self.model = networks.ResNet()

            def training_step(self, batch, index):
                x, y = batch
                out = self.model(x)
                self.log("error", (out.argmax(1) != y).float().mean())
                return F.cross_entropy(out, y)

            def validation_step(self, batch, index):
                x, y = batch
                self.log("val_loss", F.cross_entropy(self.model(x), y))

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)

        data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*networks.images(64)), 8)
        callback = SkiplaneCallback("lightning", start={"runs": self.runs}, every=2)
        trainer = lightning.Trainer(
            max_epochs=1, accumulate_grad_batches=2, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[callback],
        )  # fmt: skip
        trainer.fit(Module(), data, data)
        run = self.only_run()
        self.assertEqual(list(measured(run, "loss")), [1, 2, 3, 4])
        self.assertEqual(list(measured(run, "error")), [1, 2, 3, 4])
        self.assertEqual(list(measured(run, "branch_ratio")), [1, 2, 4])
        self.assertEqual(list(measured(run, "test_loss")), [4])
        self.assertEqual(records(run)[0]["lane_started"]["layers"][0]["name"], "model.conv1")
        self.assertEqual(records(run)[-1]["lane_finished"]["outcome"], "completed")

    @unittest.skipIf(torch is None or transformers is None, "transformers cannot be imported")
    def test_transformers(self):
        import networks
        from skiplane.adapters.transformers import SkiplaneCallback

        model = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=64, n_positions=32, n_embd=32, n_layer=2, n_head=2)
        )
        data = [{"input_ids": row[:32], "labels": row[:32]} for row in networks.repeats(32)]
        arguments = transformers.TrainingArguments(
            output_dir=self.runs + "-out", max_steps=6, per_device_train_batch_size=4, logging_steps=2, report_to=[],
            save_strategy="no", use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        callback = SkiplaneCallback("gpt2", start={"runs": self.runs}, every=1)
        transformers.Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()
        run = self.only_run()
        self.assertEqual(list(measured(run, "loss")), [2, 4, 6])
        self.assertEqual(list(measured(run, "branch_ratio")), [1, 2, 3, 4, 5, 6])
        started = records(run)[0]["lane_started"]
        self.assertEqual([block["name"] for block in started["blocks"]][:2], ["transformer.h.0.attn", "transformer.h.0.mlp"])
        self.assertNotIn("NaN", measured(run, "branch_cosine")[6])
        self.assertNotIn("NaN", measured(run, "update_ratio")[6])
        self.assertEqual(records(run)[-1]["lane_finished"]["outcome"], "completed")


if __name__ == "__main__":
    unittest.main()
