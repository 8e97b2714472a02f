-- uses: names clock
--
-- Return Redis' clock as the scripts read it. This script writes nothing.
--
-- Arguments: none.
-- Reply: now_us, microseconds since the epoch.
-- Keys: none.
-- Cost: O(1).
return reply({now_us = now_us()})
