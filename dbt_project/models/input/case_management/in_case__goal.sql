{{ empty_input({
    'goal_key': 'string', 'source_person_key': 'string', 'episode_key': 'string', 'stated_on': 'date',
    'intent_code': 'string', 'status_code': 'string', 'closed_on': 'date',
}) }}
