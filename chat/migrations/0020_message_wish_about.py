from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0019_search_pending'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='wish_about',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
    ]
