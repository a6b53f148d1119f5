URL=http://127.0.0.1:8000  ADMIN="Authorization: Bearer $(cat arqade-data/admin.key)"
JSON='Content-Type: application/json'
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# a user, and their api key
USER_ID=$(curl -fsS $URL/admin/users -H "$ADMIN" -H "$JSON" -d "{\"email\": \"me-$RANDOM$RANDOM@example.com\", \"role\": \"PRO\"}" | field id)
KEY="Authorization: Bearer $(curl -fsS $URL/admin/api-keys -H "$ADMIN" -H "$JSON" -d "{\"user_id\": \"$USER_ID\", \"name\": \"mine\"}" | field api_key)"

# a picture: the answer is the finished job, with a URL to download from
curl -fsS $URL/api/v1/generate -H "$KEY" -H "$JSON" -d '{"prompt": "a lighthouse at dusk, oil on canvas"}'

# a scanned page: upload it, then have it read and follow the job
PAGE=@SCANNED_PAGE@
UPLOAD=$(curl -fsS $URL/api/v1/uploads -H "$KEY" -H "$JSON" -d "{\"filename\": \"page.jpg\", \"content_type\": \"image/jpeg\", \"size_bytes\": $(wc -c < "$PAGE")}")
curl -fsS -T "$PAGE" -H 'Content-Type: image/jpeg' "$(echo "$UPLOAD" | field url)"
curl -fsS -X POST $URL/api/v1/uploads/$(echo "$UPLOAD" | field id)/complete -H "$KEY"
JOB=$(curl -fsS $URL/api/v1/jobs -H "$KEY" -H "$JSON" -d "{\"kind\": \"ocr\", \"input\": {\"upload\": \"$(echo "$UPLOAD" | field id)\"}}" | field id)
curl -fsSN $URL/api/v1/jobs/$JOB/events -H "$KEY"
curl -fsS $URL/api/v1/jobs/$JOB -H "$KEY"
