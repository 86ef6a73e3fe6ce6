"""What organisations keep about running themselves: staff, money, plans, targets, actions; mostly in sheets."""
