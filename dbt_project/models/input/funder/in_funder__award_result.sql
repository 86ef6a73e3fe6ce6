{{ empty_input({
    'award_key': 'string', 'indicator_code': 'string', 'period_start_on': 'date', 'period_end_on': 'date',
    'value': 'decimal(18, 4)', 'unit_code': 'string',
}) }}
