"""Who a record is: matching, suppression of the erased, links that seem wrong, tables of ids."""
