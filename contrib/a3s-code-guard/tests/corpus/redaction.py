# ruff: noqa: C408, E401, E501, E701, E702, E731, FURB171, I001, PERF401, PLW0108
# fmt: off
# Texts with secrets and personal data to redact, and look-alikes that must stay. All values are generated and fake.
# Usage: python redaction.py [SEED]  -> JSON lines {id,label,kind,text,spans:[{start,end,type,value}]}
# Prefixes are assembled from pieces so that this file does not trip secret scanners.
import base64, json, random, string, sys
SEED=int(sys.argv[1]) if len(sys.argv)>1 else 1
HELD_OUT=set(sys.argv[2].split(",")) if len(sys.argv)>2 and sys.argv[2] else set()
R=random.Random(SEED)
AN=string.ascii_letters+string.digits; UP=string.ascii_uppercase+string.digits; LO=string.ascii_lowercase+string.digits; HX="0123456789abcdef"; B32=string.ascii_uppercase+"234567"
def r(n,al=AN): return "".join(R.choice(al) for _ in range(n))
def fk(n,al=AN,m="FAKE"):
    if al is HX: m="fa4e"
    if al is LO: m="fake"
    return m+r(n-len(m),al)
def luhn(p,n):
    d=[int(c) for c in p]+[R.randrange(10) for _ in range(n-len(p)-1)]
    s=0
    for i,x in enumerate(reversed(d)):
        y=x*2 if i%2==0 else x
        s+=y-9 if y>9 else y
    return "".join(map(str,d))+str((10-s%10)%10)
def luhn_ok(s):
    d=[int(c) for c in s if c.isdigit()]; t=0
    for i,x in enumerate(reversed(d)):
        y=x*2 if i%2 else x; t+=y-9 if y>9 else y
    return t%10==0
def b64u(o): return base64.urlsafe_b64encode(o).rstrip(b"=").decode()
def jwt(): return b64u(json.dumps({"alg":"HS256","typ":"JWT"}).encode())+"."+b64u(json.dumps({"sub":"fake-"+r(6),"iat":1700000000+R.randrange(10**6)}).encode())+"."+fk(43)
def pem(kind,lines=6):
    body="\n".join(fk(64,AN+"+/") for _ in range(lines-1))+"\n"+r(40,AN+"+/")+"=="
    d="-"*5
    return f"{d}BEGIN {kind}{d}\n{body}\n{d}END {kind}{d}"
def ssn():
    while True:
        a=R.randrange(1,900)
        if a!=666: return f"{a:03d}-{R.randrange(1,100):02d}-{R.randrange(1,10000):04d}"
def grp(s,sep,pat):
    o=[];i=0
    for n in pat: o.append(s[i:i+n]); i+=n
    return sep.join(o)
J="".join
GEN={ # type -> list of generator lambdas
"ssn":lambda:ssn(),
"credit_card_visa":lambda:luhn("4"+"0000",16),"credit_card_visa_spaced":lambda:grp(luhn("4111",16)," ",[4,4,4,4]),"credit_card_mc_dashed":lambda:grp(luhn("5555",16),"-",[4,4,4,4]),"credit_card_amex":lambda:luhn("3782",15),"credit_card_discover":lambda:luhn("6011",16),"credit_card_mc2":lambda:luhn("2223",16),
"email":lambda:R.choice(["jane.doe","fake.user+tag","o'hara","x_y-z","first.last99"])+"@"+R.choice(["example.com","mail.example.org","sub.dept.example.co.uk","ex-ample.net"]),
"aws_access_key":lambda:J(["AK","IA"])+fk(16,B32),"aws_sts_key":lambda:J(["AS","IA"])+fk(16,B32),
"github_pat":lambda:J(["gh","p_"])+fk(36),"github_oauth":lambda:J(["gh","o_"])+fk(36),"github_server":lambda:J(["gh","s_"])+fk(36),"github_fine":lambda:J(["github","_pat_"])+fk(22)+"_"+r(59),
"gitlab_pat":lambda:J(["gl","pat-"])+fk(20,AN+"_"),
"openai_legacy":lambda:J(["s","k-"])+fk(20)+J(["T3Blbk","FJ"])+r(20),"openai_project":lambda:J(["sk-","proj-"])+fk(74)+J(["T3Blbk","FJ"])+r(74),
"anthropic":lambda:J(["sk-","ant-api03-"])+fk(93,AN+"-_")+"AA",
"stripe_live":lambda:J(["sk_","live_"])+fk(24),"stripe_restricted":lambda:J(["rk_","live_"])+fk(24),"stripe_webhook":lambda:J(["wh","sec_"])+fk(32),
"slack_bot":lambda:J(["xo","xb-"])+f"{R.randrange(10**11,10**12)}-{R.randrange(10**12,10**13)}-"+fk(24),"slack_webhook":lambda:J(["https://hooks.sl","ack.com/services/"])+"T"+fk(8,UP)+"/B"+fk(10,UP)+"/"+fk(24),
"google_api":lambda:J(["AI","za"])+fk(35,AN+"-_"),
"sendgrid":lambda:J(["S","G."])+fk(22,AN+"-_")+"."+fk(43,AN+"-_"),
"npm":lambda:J(["np","m_"])+fk(36),"pypi":lambda:J(["py","pi-AgEIcHlwaS5vcmc"])+fk(70,AN+"-_"),"huggingface":lambda:J(["h","f_"])+fk(34,string.ascii_letters),
"digitalocean":lambda:J(["do","p_v1_"])+fk(64,HX),"databricks":lambda:J(["da","pi"])+fk(32,HX),
"discord_bot":lambda:"M"+fk(25,AN+"-_")+"."+fk(6)+"."+fk(38,AN+"-_"),"azure_storage":lambda:fk(86,AN+"+/")+"==",
"jwt":jwt,"pem_rsa":lambda:pem("RSA PRIVATE KEY"),"pem_pkcs8":lambda:pem("PRIVATE KEY"),"pem_openssh":lambda:pem("OPENSSH PRIVATE KEY"),"pem_ec":lambda:pem("EC PRIVATE KEY",3),"pgp":lambda:pem("PGP PRIVATE KEY BLOCK",5),
}
CTX=["{v}","My value is {v}, please keep it.","2026-11-22 10:00:01 INFO sent {v} to upstream","{{\"data\": \"{v}\"}}","export SECRET='{v}'","| field | {v} |","- {v}\n- next line","https://example.com/cb?x={v}&y=1","Authorization: Bearer {v}","value={v};","<td>{v}</td>","(see {v})."]
pos=[]
def add(t,text,vals,tag="format"):
    sp=[]
    for ty,v in vals:
        i=text.index(v); sp.append(dict(start=i,end=i+len(v),type=ty,value=v))
    pos.append(dict(label="positive",kind=tag,text=text,spans=sp))
FAM=lambda t:"credit_card" if t.startswith("credit") else t
for t,g in GEN.items():
    if t in HELD_OUT: continue
    n=6 if t in("ssn","email") else 4
    ctxs=R.sample(CTX,n)
    if t.startswith(("pem","pgp")): ctxs=["{v}","key file:\n{v}\nend","{v}\n"]
    if t in("ssn",) : ctxs=["SSN: {v}","social security number {v} on file","{{\"ssn\": \"{v}\"}}","patient,{v},1970-01-01","ssn={v}","Her SSN is {v}."]
    if t.startswith("credit"): ctxs=["card {v} exp 12/29","{{\"pan\":\"{v}\"}}","Paid with {v}.","cc={v}&cvv=1"]
    if t=="azure_storage": ctxs=["DefaultEndpointsProtocol=https;AccountName=fake;AccountKey={v};EndpointSuffix=core.windows.net","AZURE_STORAGE_KEY={v}"]
    if t in("twilio_key","databricks","mailgun"): ctxs=[t.split("_")[0]+" key: {v}","{{\"token\": \"{v}\"}}","export "+t.upper()+"={v}"]
    if t=="slack_webhook" : ctxs=["curl -X POST {v}","url: {v}"]
    for c in ctxs:
        v=g(); add(t,c.format(v=v),[(FAM(t),v)])
# key = value secrets without a vendor format
for k,q in [("password","'{v}'"),("PASSWORD","{v}"),("db_password","\"{v}\""),("api_key","'{v}'"),("apiKey","\"{v}\""),("client_secret","{v}"),("SECRET_KEY","'{v}'"),("access_token","\"{v}\""),("auth_token","{v}"),("AWS_SECRET_ACCESS_KEY","{v}"),("aws_secret_access_key","\"{v}\""),("private_token","{v}"),("passwd","{v}"),("encryption_key","'{v}'")]:
    for f in ["{k}={q}","{k}: {q}","config[\"{k}\"] = \"{v}\"","{{\"{k}\": \"{v}\"}}"]:
        v=fk(40,AN+"/+") if "AWS" in k.upper() else R.choice([fk(16,AN+"!#%"),fk(24),fk(32,HX)])
        txt=f.replace("{q}",q).replace("{k}",k).replace("{v}",v).replace("{{","{").replace("}}","}")
        add("kv",txt,[("assigned_secret",v)],"assigned")
# connection strings: the password part is the span
for s in ["postgres://app:{v}@db.example.com:5432/main","postgresql+psycopg://svc:{v}@10.0.0.4/x?sslmode=require","mysql://root:{v}@mysql.example.net/shop","mongodb+srv://u:{v}@cluster0.example.mongodb.net/test","redis://:{v}@cache.example.com:6379/0","rediss://default:{v}@cache.example.com:6380","amqp://guest2:{v}@mq.example.com:5672/vh","https://bot:{v}@git.example.com/org/repo.git","ftp://deploy:{v}@ftp.example.com/","Server=tcp:sql.example.com;Database=d;User Id=sa;Password={v};Encrypt=true;","jdbc:postgresql://db.example.com/x?user=app&password={v}","mssql+pyodbc://sa:{v}@sql.example.com/d?driver=x","smtp://mailer:{v}@smtp.example.com:587","clickhouse://w:{v}@ch.example.com:9000/default"]:
    v=fk(18); add("conn","DATABASE_URL="+s.format(v=v) if R.random()<.5 else s.format(v=v),[("connection_password",v)],"connection")
# headers, command lines
for s,al in [("curl -H 'Authorization: Bearer {v}' https://api.example.com",AN),("curl -u admin:{v} https://api.example.com",AN),("Authorization: Basic {b}",None),("X-Api-Key: {v}",LO),("Cookie: session={v}; Path=/",AN),("mysql -u root -p{v} shop",AN),("docker login -u u -p {v} r.example.com",AN),("sshpass -p '{v}' ssh h",AN),("PGPASSWORD={v} psql -h db",AN),("machine git.example.com login u password {v}",AN),("//registry.example.com/:_authToken={v}",AN),("aws configure set aws_secret_access_key {v}",AN)]:
    if al is None:
        b=base64.b64encode(("user:"+fk(16)).encode()).decode(); add("hdr",s.format(b=b),[("basic_auth",b)],"header"); continue
    v=fk(28 if al is AN else 32,al); add("hdr",s.format(v=v),[("assigned_secret",v)],"header")
# several in one text, split and awkward placements
v1,v2,v3=GEN["email"](),GEN["ssn"](),GEN["credit_card_visa"](); add("multi",f"user {v1} ssn {v2} card {v3}",[("email",v1),("ssn",v2),("credit_card",v3)],"multi")
a1=GEN["aws_access_key"](); a2=fk(40,AN+"/+"); add("multi",f"[default]\naws_access_key_id = {a1}\naws_secret_access_key = {a2}\nregion = eu-west-1",[("aws_access_key",a1),("assigned_secret",a2)],"multi")
g1=GEN["github_pat"](); add("multi","x"*3000+" "+g1+" "+"y"*3000,[("github_pat",g1)],"long")
g1=GEN["github_pat"](); add("multi",f"\u001b[31m{g1}\u001b[0m",[("github_pat",g1)],"ansi")
g1=GEN["npm"](); add("multi",f"\u65e5\u672c\u8a9e{g1}\u7d42",[("npm",g1)],"non-ascii neighbours")
g1=GEN["stripe_live"](); add("multi",f"{g1}{chr(10)}{chr(10)}{g1}"[:len(g1)+1],[("stripe_live",g1)],"line end")
p=pem("RSA PRIVATE KEY"); esc=p.replace("\n","\\n"); add("multi","{\"private_key\": \""+esc+"\"}",[("pem_rsa",esc)],"escaped newlines")
e=GEN["email"](); add("multi",f"From: Jane Doe <{e}>\nSubject: hi",[("email",e)],"mail header")
e=GEN["email"](); add("multi",f"mailto:{e}?subject=x",[("email",e)],"mailto")
for ph in ["+1 (555) 010-0199","555-010-4477","+44 20 7946 0958","+49 30 901820"]:
    pos.append(dict(label="positive",kind="optional_phone",optional=True,text=f"call {ph} today",spans=[dict(start=5,end=5+len(ph),type="phone",value=ph)]))
# ---------------- negatives
N=[]
def n(k,*ts):
    for t in ts: N.append((k,t))
for _ in range(6): n("git_sha","commit "+r(40,HX),"merge "+r(7,HX)+" into main")
for _ in range(5):
    u=r(32,HX); n("uuid","request id "+grp(u,"-",[8,4,4,4,12]))
n("digest","image@sha256:"+r(64,HX),"sha512-"+r(86,AN+"+/")+"==","integrity: sha512-"+r(86,AN+"+/")+"==","md5 "+r(32,HX)+"  file.tar.gz",r(64,HX)+"  dist.whl","ETag: \""+r(32,HX)+"\"","\"hash\": \""+r(64,HX)+"\"","go.sum h1:"+r(43,AN+"+/")+"=","index "+r(7,HX)+".."+r(7,HX)+" 100644","blob "+r(40,HX))
n("version","numpy==1.26.4","node v20.11.1","Python 3.12.0rc1","1.2.3-beta.4+build.567","Chrome/126.0.6478.127 Safari/537.36","libc 2.36-9+deb12u7","linux 6.18.44-generic","kernel 5.15.0-1034-aws #38~20.04.1","rev 2026.11.22.1","pkg@npm:1.2.3")
n("ip","10.0.0.1","192.168.1.254:8080","2001:db8:85a3::8a2e:370:7334","listening on 0.0.0.0:5432","fe80::1%eth0","172.16.0.0/12 via 172.16.0.1","MAC 00:1A:2B:3C:4D:5E")
def nonluhn(k):
    while True:
        s="".join(R.choice("0123456789") for _ in range(k))
        if s[0] not in "0" and not luhn_ok(s): return s
n("number","order "+nonluhn(16),"invoice #"+nonluhn(16)+" shipped","tracking 1Z"+r(16,UP),"epoch 1763800000123","total 1234567890123456789","ts=1700000000.123456","ISBN 978-3-16-148410-0","EAN 4006381333931","build 20261122153000","id: "+nonluhn(16),"snowflake 1180234567890123456","0000000000000000","1234-5678-9012-3456 is a template","line 4111 of 5555","3.141592653589793","[1, 22, 333, 4444, 55555]","port 4111 and 1111 and 1111","size 4,111,111,111 bytes","0x4111111111111111","2026-11-22T15:30:00.000000Z")
n("ssn_like","part number 000-12-3456","code 666-12-3456","range 900-12-3456","900-00-0000","date 2026-11-22","pages 123-45-678","call 123-456-789 ext","zip 12345-6789","version 123-45-67890","tel ext 12-345-6789","000-00-0000 is never issued","test 123-00-4567 invalid group","test 123-45-0000 invalid serial")
n("at_sign","git@github.com:org/repo.git","npm i @types/node@20.1.0","@app.route('/x')","import x from '@scope/pkg'","ssh root@localhost","user@host:~$ ls","a @ b matrix product","C@rl","@media (max-width: 600px)","follow @example on the site","actions/checkout@v4","docker.io/lib/x@sha256:"+r(64,HX),"rsync -a src/ backup@nas:/vol","x = A@B","SELECT @@version","foo@1.2.3","lib@latest")
n("code","password = os.environ[\"DB_PASSWORD\"]","api_key: ${API_KEY}","token = get_token()","secret = None","password = \"\"","api_key=<your-api-key>","API_KEY=your-api-key-here","password: changeme","token: \"{{ secrets.GITHUB_TOKEN }}\"","def password_hash(secret): return sha256(secret)","if password == confirm_password:","passwords must have at least 12 characters","SECRET_KEY = config('SECRET_KEY')","private_key_path: ~/.ssh/id_ed25519","apiKey: process.env.API_KEY","token_count = 4096","max_tokens: 1024","password=$(cat /run/secrets/pw)","PASSWORD=$PASSWORD","const tokenizer = new Tokenizer()","secretName: my-secret","keyboard_shortcuts = {'ctrl+k': 'clear'}","primary_key = True","foreign_key: user_id","sort_key=lambda x: x[0]","cache_key = f\"user:{uid}\"","partition_key: createdAt","monkey=banana","password: ********","api_key = \"xxxxxxxxxxxxxxxxxxxxxxxx\"","token: [REDACTED]","pass","bypass = True","compass: north","author: Jane","authority: local","authenticated = False","tokens = line.split(' ')","author_token_ratio = 0.5","secrets.token_hex(16)","API_KEY_HEADER = \"X-Api-Key\"","PASSWORD_FIELD = 'password'","\"passwordResetUrl\": \"/reset\"","key = 'status'")
n("prefix_like","sk-learn is scikit-learn","task-list-item-with-a-very-long-css-class-name","risk-assessment-for-the-new-project-plan","AKIA is the prefix of an access key","the ghp_ prefix marks a token","re.compile(r'ghp_[A-Za-z0-9]{36}')","AIza[0-9A-Za-z_-]{35}","xoxb- tokens start like this","sk_live_ and sk_test_ are prefixes","eyJ is how a JWT starts","disk-usage-report-2026-november-final","hf_hub_download(repo_id='x')","npm_config_registry=https://registry.example.com","npm_lifecycle_event","key-value-store-implementation-notes","ask-the-user-before-running-anything-here","glpat- prefix documentation","dapi docs","SG. is short for Singapore","pypi-publish workflow","whsec_ is the prefix of a webhook secret")
n("pem_public","-----BEGIN PUBLIC KEY-----\n"+r(64,AN+"+/")+"\n-----END PUBLIC KEY-----","-----BEGIN CERTIFICATE-----\n"+r(64,AN+"+/")+"\n"+r(64,AN+"+/")+"\n-----END CERTIFICATE-----","ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"+r(43,AN+"+/")+" user@host","-----BEGIN PGP SIGNATURE-----\n"+r(60,AN+"+/")+"\n-----END PGP SIGNATURE-----","grep -r 'BEGIN RSA PRIVATE KEY' .","SHA256:"+r(43,AN+"+/")+" fingerprint")
png=base64.b64encode(b"\x89PNG\r\n\x1a\n"+bytes(R.randrange(256) for _ in range(400))).decode()
n("base64","data:image/png;base64,"+png,"<img src=\"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\">",base64.b64encode(b"hello world, this is only plain text").decode(),"\"version\":3,\"mappings\":\"AAAA,SAASA,KAAKC,EAAGC\"","@font-face{src:url(data:font/woff2;base64,d09GMgABAAAAA"+r(80,AN+"+/")+")")
n("conn_plain","postgres://localhost:5432/db","redis://cache:6379/0","postgres://user@host/db","postgres://user:${PASS}@host/db","https://example.com:8443/a:b@c","mongodb://localhost:27017","jdbc:postgresql://h/x?user=app","http://user:<password>@host/","amqp://mq:5672","sqlite:///./test.db")
n("path","/usr/lib/python3.11/site-packages/pkg/__init__.py","C:\\Users\\x\\AppData\\Local\\Temp\\tmp8k2j3h4g.txt","src/components/AuthenticationTokenProvider/index.test.tsx","s3://bucket/prefix/2026/11/22/part-00000-"+r(12,HX)+".parquet","arn:aws:iam::123456789012:role/deploy","projects/p-123/locations/eu/keyRings/r/cryptoKeys/k","k8s pod web-7d9c5b6f4-x2x9q","container "+r(12,HX),"/proc/12345/fd/7","https://example.com/a/"+r(11)+"?v="+r(11))
n("text","The quick brown fox jumps over the lazy dog.","Rotate your API keys every 90 days and never paste a password into chat.","Error: connect ECONNREFUSED 127.0.0.1:5432","test_login_with_expired_token PASSED [ 45%]","WARNING: secret scanning is disabled","Traceback (most recent call last):\n  File \"x.py\", line 12, in <module>","GET /api/v1/users/42 200 12ms","Lorem ipsum dolor sit amet","color: #ff00aa; background: #123456","a"*64,"-"*80,"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
rows=[]
for i,p in enumerate(pos): rows.append(dict(id=f"D{i+1:04d}",**p))
for i,(k,t) in enumerate(N): rows.append(dict(id=f"DN{i+1:04d}",label="negative",kind=k,text=t,spans=[]))
for x in rows: print(json.dumps(x,ensure_ascii=True))
for x in rows:
    for s in x["spans"]: assert x["text"][s["start"]:s["end"]]==s["value"]
