from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_prices_rollups_budgets")]

    operations = [
        migrations.AddField(
            model_name="reservation",
            name="lapses_at",
            field=models.DateTimeField(null=True),
        )
    ]
