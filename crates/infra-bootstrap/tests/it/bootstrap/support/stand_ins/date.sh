# A clock that goes on only when somebody waits; without it, the real one.
if [ -e ROOT/state/clock ]; then
  cat ROOT/state/clock
else
  exec /bin/date "$@"
fi
