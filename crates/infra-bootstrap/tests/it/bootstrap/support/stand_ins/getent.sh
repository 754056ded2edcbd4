# getent passwd|group NAME
while IFS= read -r line; do
  case "$line" in "$2":*) echo "$line"; exit 0 ;; esac
done <"ROOT/etc/$1"
exit 2
