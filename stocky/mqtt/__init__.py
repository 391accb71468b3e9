"""MQTT: scans in and results out, and sensors for Home Assistant. Off unless STOCKY_MQTT_URL is set."""
