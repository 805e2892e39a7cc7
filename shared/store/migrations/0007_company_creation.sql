-- Companies are made by the app's own role (`python -m shared.cli company create`): a transaction can only add the one
-- company that it acts for.
GRANT INSERT ON companies TO liaison_app;
