from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0017_share_event_roles'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='wish',
            field=models.CharField(blank=True, db_default='', default='', max_length=1000),
        ),
    ]
