# Set before: mirror, ID.

# is_docker URL: whether it is Docker's repository, or the one that the configuration names.
is_docker() {
  case "${1#*://}/" in
    download.docker.com/linux/* | "${mirror#*://}/$ID"/*) return 0 ;;
  esac
  return 1
}

# count URL: notes whose it is.
count() {
  if is_docker "$1"; then
    docker=yes
  else
    others=yes
  fi
}

# entries <FILE: counts the repositories of a file of one line each.
entries() {
  while read -r type rest || [ -n "$type" ]; do
    case "$type" in
      deb | deb-src) count "$(uri_of "$rest")" ;;
    esac
  done
}

# uri_of REST: the URI of a line, without its type.
uri_of() {
  rest=$1
  case "$rest" in
    '['*) rest=${rest#*]} ;;
  esac
  rest=${rest#"${rest%%[![:space:]]*}"}
  echo "${rest%%[[:space:]]*}"
}

# stanzas <FILE: counts those of a file in the form of sources.list(5) that has paragraphs.
stanzas() {
  uris=
  field=
  enabled=yes
  while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in
      '#'*) ;;
      [Uu][Rr][Ii][Ss]:*)
        field=uris
        uris=${line#*:}
        ;;
      [Ee][Nn][Aa][Bb][Ll][Ee][Dd]:*)
        field=
        case "$line" in *[Nn][Oo]* | *[Ff][Aa][Ll][Ss][Ee]*) enabled=no ;; esac
        ;;
      [[:space:]]*[![:space:]]*) [ -z "$field" ] || uris="$uris $line" ;;
      *[![:space:]]*) field= ;;
      *) stanza ;;
    esac
  done
  stanza
}

stanza() {
  if [ "$enabled" = yes ]; then
    for uri in $uris; do
      count "$uri"
    done
  fi
  uris=
  field=
  enabled=yes
}

# declared: the files of apt that declare Docker's repository, one a line, after what they are:
# `whole` if it is all that they declare, `lines` if lines of theirs can be taken out, `mixed`
# otherwise. docker.sources is the step's own as long as it declares nothing else.
declared() {
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    docker=
    others=
    case "$file" in
      *.sources) stanzas <"$file" ;;
      *) entries <"$file" ;;
    esac
    case "$docker:$others:$file" in
      yes::/etc/apt/sources.list.d/docker.sources) ;;
      yes::*) echo "whole $file" ;;
      yes:yes:*.list) echo "lines $file" ;;
      yes:yes:*) echo "mixed $file" ;;
    esac
  done
}
