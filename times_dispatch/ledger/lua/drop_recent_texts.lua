-- uses: names keys clock frequency
--
-- Drop what is remembered of a campaign's texts, when they may be sent again. Each call drops some buckets of one
-- campaign, so that no call holds Redis for long. Only frees: runs also when Redis is full.
--
-- Arguments
--   max_buckets  how many buckets are dropped per call
-- Reply: left, the buckets that are left of this campaign plus the number of other campaigns that are due; 0: there is
-- nothing to do.
-- Keys: the sender's recent_texts and what is below it.
-- Atomic: how far dropping has come, and what was dropped.
-- Cost: O(max_buckets x entries of a bucket), freed by Redis in the background.
local args = arguments({'max_buckets'})
local texts_key = key_of_sender('recent_texts')
local progress_key = key_of_sender('recent_texts:progress')
local now_s = math.floor(now_us() / 1000000)
local member = unpack(redis.call('ZRANGEBYSCORE', texts_key, '-inf', now_s, 'LIMIT', 0, 1))
if not member then return reply({left = 0}) end

local digest, id, _, buckets = split_text_member(member)
-- A campaign that sent its text again meanwhile is not due any more, and another one is: then it begins with its first
-- bucket.
local progress = read_fields(progress_key, 'member', 'next_bucket')
local first = progress.member == member and tonumber(progress.next_bucket) or 0
local last = math.min(first + tonumber(args.max_buckets), buckets)
for bucket = first, last - 1 do redis.call('UNLINK', key_of_bucket(digest, id, bucket)) end
if last < buckets then
  redis.call('HSET', progress_key, 'member', member, 'next_bucket', last)
else
  redis.call('ZREM', texts_key, member)
  redis.call('DEL', progress_key)
end
return reply({left = buckets - last + redis.call('ZCOUNT', texts_key, '-inf', now_s)})
