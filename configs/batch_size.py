"""The basic CNN at batch 4, 128 and 256 (study 1.2, Table 2), each trained alone because seconds are compared.

Rate 0.001 with momentum 0.9 at every batch, as in Table 1. Our choice: a fourth member, batch 256 at rate 0.01, because
the study says that a larger batch wants more epochs or a larger rate.

Command:  python scripts/run.py --config configs/batch_size.py
Cost:     126 epochs of the CNN; about 50 minutes on two CPU cores.
Expect:   71% at batch 4 within 6 epochs, 73% at 128 within 20 and at 256 within 50; epochs of 128 and 256 take alike.
"""

from jaxcifar.config import CNN, SGD, Data, Run, Study, Variant


def get_config() -> Study:
    return Study(
        name="batch_size",
        base=Run(
            name="batch_size",
            model=CNN(),
            data=Data(normalization="half"),
            optimizer=SGD(learning_rate=1e-3, momentum=0.9),
            epochs=6,
            batch_size=4,
        ),
        variants=(
            Variant("batch-4", {"batch_size": 4, "epochs": 6}),
            Variant("batch-128", {"batch_size": 128, "epochs": 20}),
            Variant("batch-256", {"batch_size": 256, "epochs": 50}),
            Variant("batch-256-rate-0.01", {"batch_size": 256, "epochs": 50, "optimizer.learning_rate": 1e-2}),
        ),
        varies=("batch_size", "optimizer.learning_rate"),
        alone=True,
    )
